//! What holds for every tree: hostile input, limits, scale.

mod hostile;
