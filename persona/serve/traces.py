"""A trace of every request, sent to a collector by OTLP, where one is set. Off, this costs nothing."""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import Flask, Response, g, request

from persona.errors import BadInput, OutOfDate

_PATH = "/v1/traces"  # that OTLP/HTTP adds to a collector's address


def check_endpoint(endpoint: str | None) -> None:
    """Raises BadInput for what is no address, OutOfDate where traces cannot be made."""
    if endpoint is None:
        return
    parts = urlsplit(endpoint)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise BadInput("otel_endpoint", f"{endpoint!r} is no address; write http://HOST:4318")
    try:
        import opentelemetry.exporter.otlp.proto.http
        import opentelemetry.sdk  # noqa: F401
    except ImportError as error:
        raise OutOfDate(f"otel_endpoint: traces need opentelemetry ({error}); pip install 'persona[otel]'") from error


def register(app: Flask, endpoint: str | None) -> None:
    """Begin a span with every request, as part of the caller's trace (`traceparent`), and end it with the answer.

    It holds the operation and the status, nothing of who asked for what.
    """
    if endpoint is None:
        return
    from opentelemetry import context
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.trace import SpanKind, StatusCode, set_span_in_context
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    provider = TracerProvider(resource=Resource.create({"service.name": "persona"}))
    address = endpoint if endpoint.endswith(_PATH) else endpoint.rstrip("/") + _PATH
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=address)))
    app.extensions["persona-traces"] = provider  # to be flushed by who ends before a process does
    tracer, propagator = provider.get_tracer("persona.serve"), TraceContextTextMapPropagator()

    @app.before_request
    def _begin() -> None:
        came = propagator.extract({name.lower(): value for name, value in request.headers.items()})
        route = str(request.url_rule or "unknown")
        span = tracer.start_span(f"{request.method} {route}", came, kind=SpanKind.SERVER)
        span.set_attributes({"http.request.method": request.method, "http.route": route})
        g.span, g.span_token = span, context.attach(set_span_in_context(span, came))

    @app.after_request
    def _label(response: Response) -> Response:
        span = g.get("span")
        if span is not None:
            span.set_attribute("http.response.status_code", response.status_code)
            span.set_attribute("persona.request_id", g.get("request_id", ""))
            span.set_status(StatusCode.ERROR if response.status_code >= 500 else StatusCode.UNSET)
        return response

    @app.teardown_request
    def _end(error: BaseException | None) -> None:
        span = g.pop("span", None)
        if span is not None:
            context.detach(g.pop("span_token"))
            span.end()
