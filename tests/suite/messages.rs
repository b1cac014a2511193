//! What is printed can be used: commands can be pasted, times and numbers read, and a stderr that takes nothing does no
//! harm.

mod outputs;
mod pasting;
mod rows;
mod usage;
