"""From a name to a socket that has shaken hands, before one deadline; and why it did not."""
