"""From a service's inputs to an image: Dockerfiles, the bake definition, Buildx."""
