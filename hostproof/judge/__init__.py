"""The referee: thresholds, statistics, verdict. Pure but for `thresholds.load`; must not import report or play."""
