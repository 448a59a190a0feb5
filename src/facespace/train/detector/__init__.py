"""A face detector trained from photos with boxes: recipe, labels, network, targets, loss, loop, export."""
