"""The project's own repository: commits, trees, exports, remotes."""
