"""Revenue by channel, from the topics of `journeys`: a small consumer that you can copy and change."""
