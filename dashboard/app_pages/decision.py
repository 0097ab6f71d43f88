"""decision."""

from dashboard.page import begin

page = begin("decision")
page.end()
