"""runs."""

from dashboard.page import begin

page = begin("runs")
page.end()
