"""Everything is in pyproject.toml but one thing: datasets/*.yaml travel inside the wheel."""

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildWithDatasets(build_py):
    """Copies the data set descriptions into the built package."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return
        for path in sorted(Path("datasets").glob("*.yaml")):
            self.mkpath(str(Path(self.build_lib, "stereo_portrait", "datasets")))
            self.copy_file(str(path), str(Path(self.build_lib, "stereo_portrait", "datasets", path.name)))


setup(cmdclass={"build_py": BuildWithDatasets})
