"""Settings: the model (`model`), the format of values (`values`), and their sources (`loading`)."""

from journeys.settings.loading import Loaded, load, load_with_sources
from journeys.settings.model import (
    ApiSettings,
    KafkaSettings,
    LogsSettings,
    OpsSettings,
    OrdersSettings,
    PublishSettings,
    RegistrySettings,
    Settings,
)

__all__ = [
    "ApiSettings",
    "KafkaSettings",
    "Loaded",
    "LogsSettings",
    "OpsSettings",
    "OrdersSettings",
    "PublishSettings",
    "RegistrySettings",
    "Settings",
    "load",
    "load_with_sources",
]
