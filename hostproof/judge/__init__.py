"""The referee: thresholds, statistics, verdict. Pure but for `thresholds.load`.

Must not import report or play.
"""
