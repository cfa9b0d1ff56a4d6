//! A pipeline to break on purpose: the built binaries as processes, real brokers, a real Postgres, and
//! every way to make them fail. The tests of `tests/pipeline` and the drill stand on it.
//!
//! [`servers`]: three brokers and a Postgres, one's own or a test run's. [`world`]: a topic, a group and a
//! database in them that nobody else knows. [`program`]: our processes, started, killed and frozen.
//! [`topic`]: what Kafka says of the topic, and what an operator can do to it. [`producer`]: a writer that
//! is not ours. [`gate`]: a network that is shut. [`cutter`]: a connection to Postgres that breaks at the
//! worst moment. [`wait`]: waits that end.
//!
//! Nothing here panics: a drill takes down what it brought up whatever happened.

pub mod cutter;
pub mod gate;
pub mod producer;
pub mod program;
pub mod servers;
pub mod topic;
pub mod url;
pub mod wait;
pub mod world;

pub use cutter::Cutter;
pub use gate::Gate;
pub use producer::Producer;
pub use program::Program;
pub use servers::{Part, Servers};
pub use topic::Topic;
pub use wait::until;
pub use world::World;
