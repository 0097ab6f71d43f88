"""lab."""

from dashboard.page import begin

page = begin("lab")
page.end()
