//! Hooks around the life of an instance, for plugins that have something to set up or to give back.

use crate::error::Result;

pub use crate::bindings::lifecycle::exports::stellatune::plugin::lifecycle::DisableReason;

/// Called once in each instance of the component: before everything else, and last. A host makes and ends instances
/// as it likes, so neither is a place for work that should happen once for each user or installation.
///
/// Sessions of one instance share its memory; what `on_enable` prepares for them belongs in a `static` or a
/// `thread_local!`.
pub trait Lifecycle {
    /// Prepares the instance.
    ///
    /// # Errors
    /// Any, and the instance is not used.
    fn on_enable() -> Result<()> {
        Ok(())
    }

    /// Gives back what the instance holds outside of its own memory. The instance ends afterwards in any case.
    ///
    /// # Errors
    /// Any; the host logs it.
    fn on_disable(reason: DisableReason) -> Result<()> {
        let _ = reason;
        Ok(())
    }
}

/// Hooks that do nothing.
#[derive(Debug, Clone, Copy)]
pub struct NoHooks;

impl Lifecycle for NoHooks {}
