//! What every test needs: a world of its own ([`world`]), programs to start and kill ([`program`]), a way
//! to write to the topic past our collector ([`producer`]), a gate that shuts the network ([`gate`]), and
//! waits that end ([`wait`]).

pub mod gate;
pub mod producer;
pub mod program;
pub mod wait;
pub mod world;

pub use gate::Gate;
pub use producer::Producer;
pub use program::Program;
pub use wait::until;
pub use world::World;
