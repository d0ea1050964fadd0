"""Adds the schemas and the runbook to the wheel, and compiles `journeys.producer.encoding.native` with a C compiler.

Without the compiled module, fastavro encodes. `schemas/released/` stays out of the wheel: only tests read it.
"""

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

NAME = "journeys.producer.encoding.native"
FOLDER = "services/journeys/producer/encoding"


class SchemasAndNativeEncoder(BuildHookInterface[Any]):
    """Puts all of them into the wheel. An editable install needs only the compiled module, beside its source."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called before a wheel is built."""
        if version != "editable":
            for schema in Path(self.root, "schemas").glob("*.avsc"):
                build_data["force_include"][str(schema)] = f"journeys/schemas/{schema.name}"
            runbook = Path(self.root, "docs", "runbook.md")
            build_data["force_include"][str(runbook)] = "journeys/ops/console/runbook.md"
        self._temporary = TemporaryDirectory()
        command = self._command(self._temporary.name)
        built = Path(command.get_ext_fullpath(NAME))
        beside = Path(self.root, FOLDER, built.name)
        try:
            if version == "editable":
                beside.unlink(missing_ok=True)  # a failed build must not leave an older module behind
            command.run()
            if version == "editable":
                copyfile(built, beside)
        except (CCompilerError, ExecError, PlatformError, OSError) as error:
            self.app.display_warning(f"{NAME} is left out, so events are encoded by fastavro: {error}")
            return
        if version != "editable":
            build_data["force_include"][str(built)] = f"journeys/producer/encoding/{built.name}"
            build_data |= {"pure_python": False, "infer_tag": True}

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:  # noqa: ARG002
        """Called when the wheel is built."""
        self._temporary.cleanup()

    def _command(self, temporary: str) -> build_ext:
        # No debug information and no path of this build: the same source gives the same bytes.
        flags = ["-g0", f"-ffile-prefix-map={temporary}=."]
        extension = Extension(NAME, [str(Path(self.root, FOLDER, "native.pyx"))], extra_compile_args=flags)
        modules = cythonize([extension], build_dir=temporary, quiet=True)
        command = build_ext(Distribution({"name": "journeys", "ext_modules": modules}))
        command.build_temp = command.build_lib = temporary
        command.ensure_finalized()
        return command
