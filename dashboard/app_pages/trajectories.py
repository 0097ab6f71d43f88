"""trajectories."""

from dashboard.page import begin

page = begin("trajectories")
page.end()
