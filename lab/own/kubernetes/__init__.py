"""A Kubernetes cluster of one node, in a network namespace of its own.

The control plane, the kubelet, kube-proxy and CoreDNS come from the folder that
$BUILDONCE_KUBERNETES names; etcd, containerd, runc and the network plugins are Debian's.
"""
