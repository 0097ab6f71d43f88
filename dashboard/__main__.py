"""`python -m dashboard`, which `sn-eval dashboard` starts: the pages and the videos from one server."""

import argparse
from pathlib import Path

import streamlit as st
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from dashboard.media import ROUTES
from dashboard.settings import Settings
from dashboard.warming import lifespan

LOOK = {
    "theme.base": "light", "theme.primaryColor": "#0072B2", "theme.font": "sans-serif",
    "client.toolbarMode": "minimal", "client.showErrorDetails": "none", "browser.gatherUsageStats": False,
    "server.headless": True, "server.fileWatcherType": "none", "server.maxUploadSize": 200,
}  # fmt: skip


def _front(request: Request) -> Response:
    """The first page's own name leads to it: Streamlit knows it by the root alone."""
    return RedirectResponse(f"/?{request.url.query}")


def main() -> None:
    """Serve until stopped."""
    parser = argparse.ArgumentParser(prog="python -m dashboard", description=__doc__)
    parser.add_argument("runs", nargs="?", default="", help="a run, or a folder of runs [the demo run]")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8501)
    parser.add_argument("--allowed-host", action="append", default=[], help="name that visitors may reach it by")
    parser.add_argument("--ratings", default="", help="CSV that blind preferences are appended to")
    parser.add_argument("--allow-code", action="store_true", help="visitors may name rewards that run code")
    told = parser.parse_args()
    Settings(told.runs, told.ratings, told.allow_code).export()
    config = {**LOOK, "server.address": told.host, "server.port": told.port}
    if told.allowed_host:
        config["server.allowedHosts"] = told.allowed_host
    routes = [*ROUTES, Route("/decision", _front)]
    st.App(Path(__file__).with_name("app.py"), routes=routes, lifespan=lifespan).run(config=config)


if __name__ == "__main__":
    main()
