"""Code snippets that make an evaluation stage write its predictions, by framework."""

from __future__ import annotations

from collections.abc import Sequence

_SKLEARN = """\
import pandas as pd
predictions = {"id": range(len(y_test)), "y_true": y_test, "y_pred": model.predict(X_test)}
pd.DataFrame(predictions).to_csv("PATH", index=False)
"""
# For regression: model(X_test).squeeze().detach().cpu().numpy()
_TORCH = """\
import pandas as pd
predictions = {"y_true": y_test.cpu().numpy(), "y_pred": model(X_test).argmax(dim=1).cpu().numpy()}
pd.DataFrame(predictions).rename_axis("id").to_csv("PATH")
"""
# A Booster gives probabilities; XGBClassifier and LGBMClassifier give them by predict_proba(X)[:, 1].
_BOOSTING = """\
import pandas as pd
score = model.predict(X_test)  # probabilities; of the scikit-learn classes: predict_proba(X_test)[:, 1]
pd.DataFrame({"y_true": y_test, "y_pred": score > 0.5, "y_score": score}).rename_axis("id").to_csv("PATH")
"""
_TENSORFLOW = """\
import pandas as pd
predictions = {"y_true": y_test, "y_pred": model.predict(X_test).argmax(axis=1)}
pd.DataFrame(predictions).rename_axis("id").to_csv("PATH")
"""
SNIPPETS = {
    "sklearn": ("scikit-learn", _SKLEARN),
    "torch": ("PyTorch", _TORCH),
    "xgboost": ("XGBoost", _BOOSTING),
    "lightgbm": ("LightGBM", _BOOSTING),
    "tensorflow": ("TensorFlow / Keras", _TENSORFLOW),
}


def snippet(frameworks: Sequence[str], path: str) -> tuple[str, str]:
    """Return the framework and a snippet of three lines for it; scikit-learn's if none is known."""
    # A project that trains with torch or a booster often imports scikit-learn too, for its metrics.
    order = ("torch", "tensorflow", "xgboost", "lightgbm", "sklearn")
    chosen = next((name for name in order if name in frameworks), "sklearn")
    name, text = SNIPPETS[chosen]
    return name, text.replace("PATH", path)
