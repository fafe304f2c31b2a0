"""What a repository that does not use the library yet tells about itself: pure, but for survey."""
