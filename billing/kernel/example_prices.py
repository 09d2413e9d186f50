"""The first price list: examples, so that an installation has prices from its first minute."""

from datetime import UTC, datetime

FROM = datetime(2026, 1, 1, tzinfo=UTC)
MEGAPIXEL = 1024 * 1024
# Example prices in µUSD, near what resellers of the open weights ask; an operator publishes their own.
FIRST_LIST = {
    "models": {
        "turbo": {
            "included_steps": 8,
            "sizes": [
                {"up_to_pixels": MEGAPIXEL // 4, "microusd": 4_000},
                {"up_to_pixels": MEGAPIXEL, "microusd": 15_000},
                {"up_to_pixels": 4 * MEGAPIXEL, "microusd": 45_000},
            ],
        },
        "raw": {
            "included_steps": 52,
            "sizes": [
                {"up_to_pixels": MEGAPIXEL // 4, "microusd": 12_000},
                {"up_to_pixels": MEGAPIXEL, "microusd": 40_000},
                {"up_to_pixels": 4 * MEGAPIXEL, "microusd": 160_000},
            ],
        },
    },
    "adapter_microusd": 1_000,
    "style_reference_microusd": 5_000,
    "training_step_microusd": 2_000,
}
