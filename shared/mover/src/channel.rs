//! One channel: what the engine has sent and nobody has done yet, its credit, and how to
//! interrupt what it does.

use crate::{child::Running, connection::Cancelling, trouble::Trouble};
use pgbackup_wire::{Command, Receipts, WINDOW_IN, WINDOW_OUT, Window, WireError};
use std::{
    collections::VecDeque,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

/// A child that is to end is asked for so long.
const PATIENCE: Duration = Duration::from_secs(20);

/// One thing the engine sent.
pub enum Item {
    /// A command, with its place in the order of this channel's commands.
    Command(u64, Box<Command>),
    /// Bytes of a file.
    Data(Vec<u8>),
    /// A stored chunk, still as it came.
    Blob(Vec<u8>),
}

/// What a channel does right now, for those who must end it.
#[derive(Default)]
pub enum Busy {
    #[default]
    Nothing,
    /// A session at the server.
    Session(Cancelling),
    /// A child that was not waited for yet.
    Child(Running),
}

pub struct Channel {
    number: u32,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    queue: VecDeque<Item>,
    receipts: Receipts,
    window: Window,
    commands: u64,
    /// Commands up to this one are to stop.
    stop_through: u64,
    ending: bool,
    busy: Busy,
}

impl Channel {
    pub fn new(number: u32) -> Self {
        let state = State {
            queue: VecDeque::new(),
            receipts: Receipts::new(WINDOW_IN),
            window: Window::new(WINDOW_OUT),
            commands: 0,
            stop_through: 0,
            ending: false,
            busy: Busy::Nothing,
        };
        Self { number, state: Mutex::new(state), changed: Condvar::new() }
    }

    pub fn number(&self) -> u32 {
        self.number
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a command into the queue. One that stops or closes reaches what runs at once.
    pub fn command(&self, command: Command) {
        let mut state = self.lock();
        if matches!(command, Command::Stop | Command::Close) {
            state.stop_through = state.commands;
            state.busy.interrupt();
        }
        if command != Command::Stop {
            state.commands += 1;
            let place = state.commands;
            state.queue.push_back(Item::Command(place, Box::new(command)));
        }
        self.changed.notify_all();
    }

    /// Puts bulk into the queue.
    pub fn bulk(&self, item: Item, bytes: usize) -> Result<(), WireError> {
        let mut state = self.lock();
        state.receipts.arrived(bytes)?;
        state.queue.push_back(item);
        self.changed.notify_all();
        Ok(())
    }

    /// Takes credit that the engine gives.
    pub fn grant(&self, bytes: u32) -> Result<(), WireError> {
        self.lock().window.granted(bytes)?;
        self.changed.notify_all();
        Ok(())
    }

    /// Tells those who wait on this channel that everything is ending.
    pub fn end(&self) {
        let mut state = self.lock();
        state.ending = true;
        state.busy.interrupt();
        self.changed.notify_all();
    }

    /// Cuts the connection to the server, if there is one; gives the child that still runs.
    pub fn cut(&self) -> Option<Running> {
        match &self.lock().busy {
            Busy::Nothing => None,
            Busy::Session(session) => {
                session.cut();
                None
            }
            Busy::Child(child) => Some(child.clone()),
        }
    }

    /// Waits for the next thing to do, with the bytes of credit it frees.
    pub fn next(&self) -> Result<(Item, Option<u32>), Trouble> {
        let mut state = self.lock();
        loop {
            if state.ending {
                return Err(Trouble::Gone);
            }
            if let Some(item) = state.queue.pop_front() {
                let grant = match &item {
                    Item::Command(..) => None,
                    Item::Data(bytes) | Item::Blob(bytes) => state.receipts.consumed(bytes.len()),
                };
                return Ok((item, grant));
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Waits until the engine has given credit, then takes so much of it.
    pub fn spend(&self, command: u64, bytes: usize) -> Result<(), Trouble> {
        let mut state = self.lock();
        loop {
            if state.ending {
                return Err(Trouble::Gone);
            }
            if command <= state.stop_through {
                return Err(Trouble::stopped());
            }
            if state.window.may_send() {
                state.window.sent(bytes);
                return Ok(());
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Whether a frame could be sent now, or waiting for it would end.
    pub fn has_credit(&self) -> bool {
        let state = self.lock();
        state.ending || state.window.may_send()
    }

    /// Fails when this command is to stop.
    pub fn check(&self, command: u64) -> Result<(), Trouble> {
        let state = self.lock();
        if state.ending {
            return Err(Trouble::Gone);
        }
        if command <= state.stop_through {
            return Err(Trouble::stopped());
        }
        Ok(())
    }

    /// Says what the channel does from now on. Something begun too late, when this command is
    /// to stop already, is interrupted at once.
    pub fn set_busy(&self, command: u64, busy: Busy) {
        let mut state = self.lock();
        state.busy = busy;
        if state.ending || command <= state.stop_through {
            state.busy.interrupt();
        }
    }
}

impl Busy {
    fn interrupt(&self) {
        match self {
            Self::Nothing => {}
            Self::Session(session) => {
                let session = session.clone();
                // It connects to the server, which may take time that the caller does not have.
                // Without a thread to spare, the statement ends with its connection.
                let _ = thread::Builder::new().stack_size(64 << 10).spawn(move || session.cancel());
            }
            Self::Child(child) => {
                let child = child.clone();
                // Without a thread to spare, the end of everything asks it again.
                let asking = thread::Builder::new().stack_size(64 << 10);
                let _ = asking.spawn(move || child.ask_to_end(PATIENCE));
            }
        }
    }
}
