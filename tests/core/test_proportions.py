import numpy as np
import pytest
from scipy.special import ndtri

from mlops_ci.core.gate import proportions

Z95 = float(ndtri(0.975))


def quartic_tango(n, b, c, z):
    """Tango's bounds without iteration (Yang, Sun and Hardin 2013): roots of a quartic, by numpy."""
    g = z * z
    d, s = b - c, b + c
    coefficients = [
        n**2 * (n / g + 1) ** 2,
        -n * d * (n / g + 1) * (4 * n / g + 1),
        2 * n * d**2 * (3 * n / g + 2) / g - n**2 * (s / g + 1),
        n * d * (2 * s / g + 1) - d**3 * (4 * n / g + 1) / g,
        d**2 * (d**2 / g - s) / g,
    ]
    roots = np.roots(coefficients)
    real = np.sort(roots[np.abs(roots.imag) < 1e-6].real)
    return real[0], real[-1]


@pytest.mark.parametrize(
    ("n", "gained", "lost", "expected"),
    [
        # The airway data of Bentur et al. (2009), as in Fagerland, Lydersen and Laake (2014),
        # Statistics in Medicine 33, 2850-2875.
        (21, 1, 7, (-0.517, -0.026)),
    ],
)
def test_tangos_interval_as_published(n, gained, lost, expected):
    lower, upper = proportions.tango_interval(n, gained, lost, Z95)
    assert (round(float(lower), 3), round(float(upper), 3)) == expected


def test_tangos_interval_agrees_with_the_quartic_on_random_tables():
    rng = np.random.default_rng(1)
    for _ in range(200):
        n = int(rng.integers(20, 3000))
        b, c = (int(rng.integers(1, max(2, n // 4))) for _ in range(2))
        assert proportions.tango_interval(n, b, c, Z95) == pytest.approx(
            quartic_tango(n, b, c, Z95), abs=1e-6
        )
