//! What every ability ends with: configuration and state. The same methods in each trait, all with defaults;
//! the fifth of the contract, `close`, drops the object.

/// The default methods of an ability's trait.
macro_rules! methods {
    () => {
        /// What it would take to bring a configuration into effect; changes nothing. Hot-apply by default.
        ///
        /// # Errors
        /// [`Error::InvalidArg`](crate::Error::InvalidArg) for a text that cannot be understood.
        fn plan_config(&mut self, config: $crate::JsonText<'_>) -> $crate::Result<$crate::ConfigUpdatePlan> {
            let _ = config;
            Ok($crate::ConfigUpdatePlan::hot_apply())
        }

        /// Brings a configuration into effect: [`JsonText::parse`](crate::JsonText::parse) makes it a type of the
        /// plugin. Ignored by default.
        ///
        /// # Errors
        /// [`Error::InvalidArg`](crate::Error::InvalidArg) for one that is not acceptable; the old one stays.
        fn apply_config(&mut self, config: $crate::JsonText<'_>) -> $crate::Result<()> {
            let _ = config;
            Ok(())
        }

        /// What a successor needs to go on from here, as JSON text: [`to_json`](crate::to_json) makes it of a type of
        /// the plugin. Nothing by default. A member `hot_path`, a list of numbers, is what the hot-path module is
        /// configured with.
        ///
        /// # Errors
        /// Any, and the successor starts afresh.
        fn export_state(&mut self) -> $crate::Result<Option<String>> {
            Ok(None)
        }

        /// Goes on from what a predecessor exported. Ignored by default.
        ///
        /// # Errors
        /// Any, and the host goes on without.
        fn import_state(&mut self, state: $crate::JsonText<'_>) -> $crate::Result<()> {
            let _ = state;
            Ok(())
        }
    };
}
pub(crate) use methods;

/// The same methods of a generated trait, for an [`Open`](crate::glue::Open). The closure finds the ability in it.
macro_rules! exports {
    (|$open:ident: $kind:ty| $ability:expr) => {
        fn plan_config_update_json(&self, new_config_json: String) -> Answer<ConfigUpdatePlan> {
            self.with(|$open: $kind| $ability.plan_config(JsonText::new(&new_config_json)))
        }

        fn apply_config_update_json(&self, new_config_json: String) -> Answer<()> {
            self.with(|$open: $kind| $ability.apply_config(JsonText::new(&new_config_json)))
        }

        fn export_state_json(&self) -> Answer<Option<String>> {
            self.with(|$open: $kind| $ability.export_state())
        }

        fn import_state_json(&self, state_json: String) -> Answer<()> {
            self.with(|$open: $kind| $ability.import_state(JsonText::new(&state_json)))
        }

        fn close(&self) {
            self.shut();
        }
    };
}
pub(crate) use exports;
