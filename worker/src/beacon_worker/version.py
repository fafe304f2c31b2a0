"""Print the commit that this worker was built from: `python -m beacon_worker.version`."""

from beacon_libs.settings import Settings, load

if __name__ == "__main__":
    print(load(Settings).revision)
