"""Model files: scikit-learn estimators stored and loaded with skops, without pickle.

A file is loaded only if its bytes are the recorded ones, and only if it holds nothing but types that skops trusts
or that stand on the list below; what a file says about itself decides nothing.
https://skops.readthedocs.io/en/stable/persistence.html
"""

from __future__ import annotations

import hashlib
from typing import Any
from zipfile import ZIP_DEFLATED, BadZipFile

from repro_assets.errors import BadInput, DataDamaged

# Compression level of zlib: trees repeat themselves, and higher levels gain a few per cent for twice the time.
_LEVEL = 6

# What models of this project hold beyond the types that skops trusts anyway, each with why it may be built from a file.
TRUSTED_TYPES: dict[str, str] = {
    "sklearn.calibration._CalibratedClassifier": "holds an estimator and its calibrators, runs nothing when built",
    "sklearn.calibration._SigmoidCalibration": "two numbers",
    "sklearn.model_selection._split.StratifiedKFold": "three parameters of the folds, unused after the fit",
    # skops leaves the next two out because indexes inside them are followed unchecked: a crafted file could crash the
    # process. Such a file would have another SHA-256 than the recorded one.
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor": "arrays of tree nodes; bytes checked first",
    "sklearn.tree._tree.Tree": "arrays of tree nodes; bytes checked first",
}


def dump_model(model: Any) -> bytes:
    """Store an estimator, or a dictionary of them.

    Two dumps of one model may differ in bytes: compare models by the digest of their fitted state.
    """
    from skops.io import dumps

    return dumps(model, compression=ZIP_DEFLATED, compresslevel=_LEVEL)


def load_model(data: bytes, *, sha256: str, where: str) -> Any:
    """Load what `dump_model` stored.

    Args:
        data: The file's bytes.
        sha256: Their recorded SHA-256, 64 hexadecimal digits.
        where: The file, for messages.

    Raises:
        DataDamaged: The bytes are not the recorded ones, or no model file.
        BadInput: The file holds a type that is not trusted.
    """
    from skops.io import loads
    from skops.io.exceptions import UntrustedTypesFoundException

    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        raise DataDamaged("a model file is not the one that was recorded", where=where, stored=found, expected=sha256)
    try:
        return loads(data, trusted=sorted(TRUSTED_TYPES))
    except UntrustedTypesFoundException as error:
        raise BadInput(
            "a model file holds types that are not trusted",
            where=where,
            stored=str(error),
            fix="If they are harmless, add them to TRUSTED_TYPES with the reason",
        ) from error
    except BadZipFile as error:
        raise DataDamaged("not a model file", where=where, stored=str(error)) from error
