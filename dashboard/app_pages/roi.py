"""roi."""

from dashboard.page import begin

page = begin("roi")
page.end()
