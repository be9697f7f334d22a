//! The seam itself: what the engine asks, put to the daemon.

use super::{processes, session, trouble};
use crate::{
    endpoint::{ApiVersion, Endpoint},
    transport,
};
use bollard::{
    Docker,
    errors::Error as DockerError,
    exec::{CreateExecOptions, StartExecOptions, StartExecResults},
    models::{ContainerInspectResponse, ContainerSummary},
    query_parameters::{InspectContainerOptions, ListContainersOptions, TopOptions},
};
use futures_util::{StreamExt, stream};
use pgbackup_engine::{
    cancel::Cancel,
    error::{Context, Error, Result},
    target::{Runtime, Session, Target},
};
use std::{collections::BTreeMap, future::Future, sync::Arc};
use tokio::sync::Notify;

/// The oldest version of the API that holds all that is asked here: that of Docker 20.10.
const OLDEST: ApiVersion = ApiVersion { major: 1, minor: 41 };

/// Questions that are put to the daemon at once.
const AT_ONCE: usize = 16;

/// Threads for Docker's streams: one can fill a pipe while the other empties one.
const THREADS: usize = 2;

/// How much of a stream is taken from the socket at once. bollard's own 8 KiB would cost a system
/// call for each piece of a frame.
const OUTPUT_CAPACITY: usize = 1024 * 1024;

/// A Docker daemon, on whose containers the engine works.
pub struct DockerRuntime {
    core: Arc<Core>,
}

/// The connection and the threads that serve it; lives as long as the last session.
pub(super) struct Core {
    pub(super) docker: Docker,
    endpoint: Endpoint,
    cancel: Cancel,
    /// Taken only when it is dropped.
    tokio: Option<tokio::runtime::Runtime>,
    handle: tokio::runtime::Handle,
}

impl DockerRuntime {
    /// Connects to the daemon at `endpoint`, and has it answer once. Questions are given up when
    /// `cancel` is raised; programs are still run then, since some put in order what was begun.
    ///
    /// # Errors
    ///
    /// When the daemon cannot be reached, or does not let us in, each way with a hint of its own;
    /// when it is too old.
    pub fn open(endpoint: &Endpoint, cancel: &Cancel) -> Result<Self> {
        let tokio = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(THREADS)
            .thread_name("docker")
            .enable_all()
            .build()
            .context("start the threads for Docker's streams")?;
        let (docker, channel) = transport::connect(endpoint)?;
        let handle = tokio.handle().clone();
        let (endpoint, cancel) = (endpoint.clone(), cancel.clone());
        let core = Core { docker, endpoint, cancel, tokio: Some(tokio), handle };
        let endpoint = &core.endpoint;
        core.ask(core.docker.ping())?.map_err(|error| trouble::unreachable(endpoint, &error))?;
        if let Some(told) = channel.told().filter(|told| *told < OLDEST) {
            return Err(trouble::too_old(endpoint, told, OLDEST));
        }
        Ok(Self { core: Arc::new(core) })
    }
}

impl Core {
    /// Waits on the engine's thread for something that tokio's threads do.
    pub(super) fn wait<T>(&self, work: impl Future<Output = T>) -> T {
        self.handle.block_on(work)
    }

    /// As [`wait`](Self::wait), for no longer than the user does not cancel.
    fn ask<T>(&self, work: impl Future<Output = T>) -> Result<T> {
        let wish = Arc::new(Notify::new());
        let raised = Arc::clone(&wish);
        let _waiting = self.cancel.on_cancel(move || raised.notify_one());
        self.wait(async {
            tokio::select! {
                answer = work => Ok(answer),
                () = wish.notified() => Err(Error::cancelled()),
            }
        })
    }

    pub(super) fn handle(&self) -> &tokio::runtime::Handle {
        &self.handle
    }

    pub(super) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) -> tokio::task::AbortHandle {
        self.handle.spawn(work).abort_handle()
    }

    pub(super) fn trouble(&self, what: impl Into<String>, error: &DockerError) -> Error {
        trouble::explain(what, &self.endpoint, error)
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        if let Some(tokio) = self.tokio.take() {
            // What still runs is streams that nobody listens to any more.
            tokio.shutdown_background();
        }
    }
}

impl Runtime for DockerRuntime {
    fn describe(&self) -> String {
        self.core.endpoint.origin.clone()
    }

    fn targets(&self) -> Result<Vec<Target>> {
        let docker = &self.core.docker;
        let what = "list the containers";
        self.core.ask(async {
            let listed = docker
                .list_containers(None::<ListContainersOptions>)
                .await
                .map_err(|error| self.core.trouble(what, &error))?;
            // The list does not tell when a container was started.
            let looked: Vec<_> = stream::iter(listed)
                .map(|summary| async {
                    let id = summary.id.clone().unwrap_or_default();
                    let inspected = docker.inspect_container(&id, None::<InspectContainerOptions>).await;
                    (summary, inspected)
                })
                .buffered(AT_ONCE)
                .collect()
                .await;
            let mut targets = Vec::with_capacity(looked.len());
            for (summary, inspected) in looked {
                match inspected {
                    Ok(inspected) => targets.push(target(summary, inspected)),
                    Err(error) if trouble::is_gone(&error) => {}
                    Err(error) => return Err(self.core.trouble(what, &error)),
                }
            }
            Ok(targets)
        })?
    }

    fn stopped(&self, name: &str) -> Result<Option<Error>> {
        // Docker would take an empty name for the list, and a slash for another question.
        if name.is_empty() || name.contains('/') {
            return Ok(None);
        }
        let asked = self.core.docker.inspect_container(name, None::<InspectContainerOptions>);
        match self.core.ask(asked)? {
            Ok(inspected) => Ok(trouble::stopped(name, inspected.state.as_ref())),
            Err(error) if trouble::is_gone(&error) || trouble::is_bad_name(&error) => Ok(None),
            Err(error) => Err(self.core.trouble(format!("look at the container `{name}`"), &error)),
        }
    }

    fn runs_postgres(&self, targets: &[Target]) -> Result<Vec<bool>> {
        let docker = &self.core.docker;
        let asked: Vec<_> = self.core.ask(
            stream::iter(targets)
                .map(|target| docker.top_processes(&target.id, None::<TopOptions>))
                .buffered(AT_ONCE)
                .collect(),
        )?;
        targets
            .iter()
            .zip(asked)
            .map(|(target, answer)| match answer {
                Ok(processes) => Ok(processes::hold_a_server(&processes)),
                Err(error) if trouble::is_gone(&error) || trouble::is_not_running(&error) => Ok(false),
                Err(error) => {
                    Err(self.core.trouble(format!("list the processes of `{}`", target.name), &error))
                }
            })
            .collect()
    }

    fn exec(&self, target: &Target, argv: &[String]) -> Result<Session> {
        let what = || format!("run a program in the container `{}`", target.name);
        let docker = &self.core.docker;
        let options = CreateExecOptions {
            attach_stdin: Some(true),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            cmd: Some(argv.to_vec()),
            ..CreateExecOptions::default()
        };
        let start =
            StartExecOptions { output_capacity: Some(OUTPUT_CAPACITY), ..StartExecOptions::default() };
        let started = self.core.wait(async {
            let exec = docker.create_exec(&target.id, options).await?;
            let streams = docker.start_exec(&exec.id, Some(start)).await?;
            Ok((exec.id, streams))
        });
        let (id, streams) = started
            .map_err(|error: DockerError| trouble::of_container(self.core.trouble(what(), &error), target))?;
        match streams {
            StartExecResults::Attached { output, input } => {
                Ok(session::attach(&self.core, target, id, output, input))
            }
            StartExecResults::Detached => {
                Err(Error::failed(what()).caused_by("Docker gave no streams for the program"))
            }
        }
    }
}

/// Puts together what the list and the inspection told.
fn target(summary: ContainerSummary, inspected: ContainerInspectResponse) -> Target {
    let labels: BTreeMap<String, String> = summary.labels.unwrap_or_default().into_iter().collect();
    let label = |key: &str| labels.get(key).cloned();
    let started = inspected.state.and_then(|state| state.started_at).unwrap_or_default();
    Target {
        name: inspected.name.unwrap_or_default().trim_start_matches('/').to_owned(),
        image: summary.image.unwrap_or_default(),
        project: label("com.docker.compose.project"),
        service: label("com.docker.compose.service"),
        state: summary.state.map(|state| state.to_string()).unwrap_or_default(),
        started,
        id: summary.id.unwrap_or_default(),
        labels,
    }
}
