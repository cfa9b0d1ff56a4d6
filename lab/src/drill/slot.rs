//! A place for one of our programs: it is killed there and started again, with the same settings.

use crate::stack::{Program, World};
use anyhow::{Context as _, bail};
use std::process::ExitStatus;
use std::time::Duration;

/// One program, running or not.
pub struct Slot {
    binary: &'static str,
    /// Its log's name, and its own in messages.
    pub name: String,
    settings: Vec<(&'static str, String)>,
    program: Option<Program>,
}

impl Slot {
    /// An empty one.
    pub fn new(
        binary: &'static str,
        name: impl Into<String>,
        settings: Vec<(&'static str, String)>,
    ) -> Self {
        Self {
            binary,
            name: name.into(),
            settings,
            program: None,
        }
    }

    /// Starts the program (again).
    pub fn start(&mut self, world: &World) -> anyhow::Result<()> {
        if self.program.is_some() {
            bail!("{} runs already", self.name);
        }
        let program = world.start(self.binary, &[], &self.name, &self.settings)?;
        self.program = Some(program);
        Ok(())
    }

    /// Changes a setting, for the next start.
    pub fn set(&mut self, name: &'static str, value: impl Into<String>) {
        self.settings.retain(|(other, _)| *other != name);
        self.settings.push((name, value.into()));
    }

    /// Forgets a setting, for the next start.
    pub fn unset(&mut self, name: &'static str) {
        self.settings.retain(|(other, _)| *other != name);
    }

    /// SIGKILL.
    pub fn kill_9(&mut self) -> anyhow::Result<()> {
        self.take()?.kill_9()
    }

    /// SIGTERM, and the wait for the end; an error when it takes longer than `deadline`.
    pub async fn terminate(&mut self, deadline: Duration) -> anyhow::Result<ExitStatus> {
        let name = self.name.clone();
        let mut program = self.take()?;
        program.terminate(deadline).await.context(name)
    }

    /// SIGSTOP.
    pub fn freeze(&self) -> anyhow::Result<()> {
        self.program()?.freeze()
    }

    /// SIGCONT.
    pub fn thaw(&self) -> anyhow::Result<()> {
        self.program()?.thaw()
    }

    /// The process's id; 0 when none runs.
    pub fn pid(&self) -> u32 {
        self.program.as_ref().map_or(0, Program::id)
    }

    /// Whether it was started and has not ended by itself.
    pub fn runs(&mut self) -> anyhow::Result<bool> {
        match &mut self.program {
            Some(program) => program.runs(),
            None => Ok(false),
        }
    }

    /// Whether it was started and not stopped by the drill.
    pub fn is_taken(&self) -> bool {
        self.program.is_some()
    }

    fn program(&self) -> anyhow::Result<&Program> {
        let program = self.program.as_ref();
        program.with_context(|| format!("{} does not run", self.name))
    }

    fn take(&mut self) -> anyhow::Result<Program> {
        let program = self.program.take();
        program.with_context(|| format!("{} does not run", self.name))
    }
}
