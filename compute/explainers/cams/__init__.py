"""Class activation maps: the network's last feature map, weighted."""
