"""compare."""

from dashboard.page import begin

page = begin("compare")
page.end()
