"""Monorepos that never heard of the library, in the layouts that real ones have."""

from __future__ import annotations

COMPOSE_APP = {
    "docker-compose.yml": """\
services:
  web:
    build: ./web
    ports: ["8080:8080"]
    environment:
      SECRET_KEY: ${SECRET_KEY}
      LOG_LEVEL: ${LOG_LEVEL:-info}
    depends_on: [db]
    volumes:
      - ./web/static:/srv/static:ro
  worker:
    build: ./web
    command: ["python", "-m", "worker"]
    env_file: worker.env
  report-mailer:
    build:
      context: .
      dockerfile: docker/mailer.Dockerfile
      target: runtime
      args:
        FLAVOUR: plain
        COMMIT: ${COMMIT:-}
  db:
    image: postgres:17
    volumes: [data:/var/lib/postgresql/data]
  proxy:
    image: traefik:v3
volumes:
  data: {}
""",
    "web/Dockerfile": "FROM python:3.13-slim\nWORKDIR /srv\nCOPY . .\n",
    "web/app.py": "print('web')\n",
    "web/static/site.css": "body {}\n",
    "docker/mailer.Dockerfile": """\
FROM python:3.13-slim AS build
ARG FLAVOUR
COPY mailer/ /srv/mailer/
COPY ["templates/*.txt", "/srv/templates/"]
RUN echo "$FLAVOUR" > /srv/flavour

FROM python:3.13-slim AS runtime
COPY --from=build /srv /srv

FROM runtime AS debug
""",
    "mailer/send.py": "print('mail')\n",
    "templates/hello.txt": "Hello\n",
    "templates/ignored.md": "# Not for the image\n",
}
"""A Compose application: third-party images, bind mounts, `build:`, two services of one image."""

UV_WORKSPACE = {
    "pyproject.toml": '[project]\nname = "platform"\nversion = "1"\n\n[tool.uv.workspace]\n'
    'members = ["services/*", "packages/*"]\n',
    "uv.lock": "version = 1\n",
    "packages/common/pyproject.toml": '[project]\nname = "common"\nversion = "1"\n',
    "packages/common/common.py": "NAME = 'common'\n",
    "services/billing_api/Dockerfile": """\
FROM python:3.13-slim AS uv
FROM python:3.13-slim
COPY --from=uv /usr/bin/env /usr/local/bin/uv
RUN --mount=type=bind,source=uv.lock,target=/uv.lock \\
    --mount=type=bind,source=pyproject.toml,target=/pyproject.toml \\
    cp /uv.lock /locked
COPY packages/common /app/common
COPY services/billing_api /app/billing
""",
    "services/billing_api/pyproject.toml": '[project]\nname = "billing-api"\nversion = "1"\n',
    "services/billing_api/main.py": "print('billing')\n",
    "services/thumbs/Dockerfile": """\
FROM python:3.13-slim
COPY pyproject.toml src/ /app/
COPY <<EOF /app/settings
size = 64
COPY <<EOF /app/settings
size = 64
EOF
""",
    "services/thumbs/pyproject.toml": '[project]\nname = "thumbs"\nversion = "1"\n',
    "services/thumbs/src/thumbs.py": "print('thumbs')\n",
    "services/thumbs/tests/Dockerfile": "FROM scratch\n",
    ".devcontainer/Dockerfile": "FROM scratch\n",
}
"""A uv workspace: a context per service, one of them the root, bind mounts, `COPY --from`."""

KUBERNETES = {
    "skaffold.yaml": """\
apiVersion: skaffold/v4beta11
kind: Config
build:
  artifacts:
    - image: europe-docker.pkg.dev/acme/shop/frontend
      context: frontend
    - image: europe-docker.pkg.dev/acme/shop/cart
      context: .
      docker:
        dockerfile: cart/Dockerfile
        target: release
        buildArgs: {MODE: fast, TAG: "{{.IMAGE_TAG}}"}
""",
    "frontend/Dockerfile": "FROM python:3.13-slim\nCOPY index.html /srv/\n",
    "frontend/index.html": "Welcome\n",
    "cart/Dockerfile": "FROM python:3.13-slim AS release\nCOPY cart/ proto/ /srv/\n",
    "cart/cart.py": "print('cart')\n",
    "proto/cart.proto": "message Cart {}\n",
    "k8s/base/kustomization.yaml": "resources: [deployment.yaml]\n",
    "k8s/base/deployment.yaml": "kind: Deployment\n",
    "k8s/overlays/production/kustomization.yaml": "resources: [../../base]\n",
    "k8s/overlays/staging/kustomization.yaml": "resources: [../../base]\n",
    ".github/workflows/ci.yml": "name: ci\n",
}
"""Skaffold builds it, kustomizations deploy it."""

_GO = """\
FROM python:3.13-slim AS build
WORKDIR /src
COPY go.mod go.sum ./
COPY pkg ./pkg
COPY services/{name} ./services/{name}
RUN --mount=type=cache,target=/cache/go cp services/{name}/main.go /{name}

FROM acme/base:latest
COPY --from=build /{name} /usr/local/bin/{name}
"""
_NPM = """\
FROM python:3.13-slim AS deps
WORKDIR /app
COPY package*.json ./
COPY packages/ui/package.json packages/ui/

FROM deps AS build
COPY packages packages
COPY services/web services/web

FROM acme/base:latest
COPY --from=build /app/services/web /app
"""
_GO_SERVICES = ("mail", "orders", "users")

SERVICES = {
    "Makefile": "base:\n\tdocker build -t acme/base:latest -f build/base/Dockerfile .\n",
    "build/base/Dockerfile": "FROM python:3.13-slim\nCOPY build/base/entrypoint.sh /\n",
    "build/base/entrypoint.sh": 'exec "$@"\n',
    "go.mod": "module example.org/shop\n",
    "go.sum": "",
    "pkg/log/log.go": "package log\n",
    **{f"services/{name}/Dockerfile.prod": _GO.format(name=name) for name in _GO_SERVICES},
    **{f"services/{name}/main.go": "package main\n" for name in _GO_SERVICES},
    "package.json": '{"workspaces": ["packages/*", "services/web"]}\n',
    "package-lock.json": "{}\n",
    "packages/ui/package.json": "{}\n",
    "services/web/Dockerfile.prod": _NPM,
    "services/web/Dockerfile": "FROM python:3.13-slim\nCOPY . .\n",
    "services/web/index.js": "",
    ".dockerignore": "**/node_modules\n.git\n**/*.md\n",
}
"""Go and npm side by side, Dockerfiles for production, and a base image that is made here."""

VOTING_APP = {
    "docker-compose.yml": """\
name: voting
x-logging: &logging
  logging: {{driver: json-file, options: {{max-size: 10m}}}}
services:
  vote:
    <<: *logging
    build: {{context: ./vote, target: final}}
    command: [sleep, infinity]
    init: true
    env_file: [config/vote.env, secret.env]
    depends_on: {{store: {{condition: service_healthy}}}}
    healthcheck: {{test: "test $$TITLE = Vote -a $$TOKEN = t", interval: 1s}}
    volumes: ["./vote:/usr/local/app"]
    ports: ["{port}:80"]
  store:
    image: {image}
    command: [sleep, infinity]
    init: true
    volumes: ["./healthchecks:/healthchecks", "data:/data"]
    healthcheck: {{test: /healthchecks/store.sh, interval: 1s}}
volumes: {{data: }}
""",
    "vote/Dockerfile": "FROM python:3.13-slim AS base\nWORKDIR /usr/local/app\nCOPY . .\n"
    "FROM base AS dev\nFROM base AS final\n",
    "vote/app.py": "print('vote')\n",
    "config/vote.env": "TITLE=Vote\n",
    "secret.env.example": "TOKEN=\n",
    "healthchecks/store.sh": "#!/bin/sh\ntest -d /data\n",
    ".gitignore": "secret.env\n",
}
"""A Compose application as examples have it: `port` and `image` are to be filled in."""

KUSTOMIZE = {
    "storefront/Dockerfile": "FROM python:3.13-slim\nCOPY server.py /\n"
    'CMD ["python", "/server.py"]\n',
    "storefront/server.py": "from http.server import SimpleHTTPRequestHandler, test\n\n"
    "test(SimpleHTTPRequestHandler, port=8000)\n",
    "ledgerd/Dockerfile": 'FROM python:3.13-slim\nCOPY main.py /\nCMD ["python", "/main.py"]\n',
    "ledgerd/main.py": "import signal\n\nsignal.pause()\n",
    "deploy/base/kustomization.yaml": "resources: [storefront.yaml, ledger.yaml, report.yaml]\n",
    "deploy/base/storefront.yaml": """\
apiVersion: v1
kind: Service
metadata: {name: storefront}
spec:
  selector: {app: storefront}
  ports: [{port: 80, targetPort: 8000}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: storefront}
spec:
  selector: {matchLabels: {app: storefront}}
  template:
    metadata: {labels: {app: storefront}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
        - name: web
          image: storefront
          readinessProbe: {httpGet: {port: 8000, path: /}, periodSeconds: 1}
""",
    "deploy/base/ledger.yaml": """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: ledger}
spec:
  selector: {matchLabels: {app: ledger}}
  template:
    metadata: {labels: {app: ledger}}
    spec:
      terminationGracePeriodSeconds: 1
      containers: [{name: ledgerd, image: ledger-image}]
""",
    "deploy/base/report.yaml": """\
apiVersion: batch/v1
kind: CronJob
metadata: {name: report}
spec:
  schedule: "0 4 * * *"
  jobTemplate:
    spec:
      template:
        spec:
          restartPolicy: Never
          containers: [{name: report, image: ledger-image, args: [python, -c, "print(1)"]}]
""",
    **{
        f"deploy/overlays/{name}/kustomization.yaml": f"""\
namespace: {namespace}
resources: [../../base]
images:
  - {{name: storefront, newName: registry.acme.test/shop/acme-storefront, newTag: {name}}}
  - {{name: ledger-image, newName: registry.acme.test/shop/acme-ledger, newTag: {name}}}
"""
        for name, namespace in (("staging", "acme-staging"), ("production", "acme"))
    },
}
"""Two services with a context each, an overlay for each environment, images of other names."""
