"""Compiles `journeys.producer.native` where there is a compiler of C; without it, Python does the same."""

from __future__ import annotations

from pathlib import Path
from shutil import copyfile
from tempfile import TemporaryDirectory
from typing import Any

from Cython.Build import cythonize
from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from setuptools import Distribution, Extension
from setuptools.command.build_ext import build_ext
from setuptools.errors import CCompilerError, ExecError, PlatformError

NAME = "journeys.producer.native"
FOLDER = "services/journeys/producer"


class NativeEncoder(BuildHookInterface[Any]):
    """Puts the compiled module beside its source, and into the wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 - hatchling's signature
        """Called before a wheel is built, an editable one included."""
        try:
            built = self._built()
        except (CCompilerError, ExecError, PlatformError) as error:
            self.app.display_warning(f"{NAME} is left out, so events are encoded in Python: {error}")
            return
        build_data["force_include"][str(built)] = f"journeys/producer/{built.name}"
        build_data["pure_python"] = False
        build_data["infer_tag"] = True

    def _built(self) -> Path:
        folder = Path(self.root, FOLDER)
        with TemporaryDirectory() as temporary:
            modules = cythonize([Extension(NAME, [str(folder / "native.pyx")])], build_dir=temporary, quiet=True)
            command = build_ext(Distribution({"name": "journeys", "ext_modules": modules}))
            command.build_temp = command.build_lib = temporary
            command.ensure_finalized()
            made = Path(command.get_ext_fullpath(NAME))
            built = folder / made.name
            built.unlink(missing_ok=True)  # what another source gave must not be taken for what this one gives
            command.run()
            copyfile(made, built)
        return built
