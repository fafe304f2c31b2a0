"""Do the tests notice a fault? Random mutations of the library, and which of them survive."""
