//! The component model over core modules: what Wasmer does not have.
//!
//! `translate` turns a component into a [`plan`] and core modules, `link` instantiates them, `resource` holds the handles
//! of component instances. How values cross the boundary is in [`crate::canon`].

pub(crate) mod link;
pub(crate) mod plan;
pub(crate) mod resource;
pub(crate) mod translate;
