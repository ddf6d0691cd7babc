"""The newest metrics, for whoever asks by HTTP: prometheus_client's server."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ebpf_overhead.closing import Closing
from ebpf_overhead.errors import BadUseError
from ebpf_overhead.report.openmetrics import Metrics

if TYPE_CHECKING:
    from prometheus_client import Metric


class MetricsServer(Closing):
    """Serves the newest metrics until it is closed.

    Parameters
    ----------
    address : str
        Where it listens: an address of this machine.
    port : int
        The port; 0 for any that is free.

    Attributes
    ----------
    url : str
        Where the metrics are.
    newest : Metrics
        What is served.

    Raises
    ------
    BadUseError
        It cannot listen there.
    """

    def __init__(self, address: str, port: int) -> None:
        from prometheus_client import CollectorRegistry, start_http_server  # takes 80 ms

        self.newest = Metrics({})
        registry = CollectorRegistry()
        registry.register(self)
        try:
            self._server: Any
            self._server, self._thread = start_http_server(port, address, registry)
        except (OSError, OverflowError) as error:
            why = getattr(error, "strerror", None) or str(error)
            raise BadUseError(
                f"cannot listen on {address}:{port}: {why}", "choose another address, or port"
            ) from error
        host = f"[{address}]" if ":" in address else address
        self.url = f"http://{host}:{self._server.server_port}/metrics"

    def collect(self) -> Iterable[Metric]:
        """Return what is served now, as a collector of prometheus_client does."""
        return list(self.newest.collect())

    def close(self) -> None:
        """Stop listening; may be called again."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
