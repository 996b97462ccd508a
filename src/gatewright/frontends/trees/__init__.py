"""Decision forests: a file for each library; all make one exact `Forest` (`nodes.build`)."""
