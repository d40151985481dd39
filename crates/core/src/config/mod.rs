//! Changing the settings of something that runs: checked against the plugin's schema, planned by the plugin, then
//! applied, or the object is made anew with what it kept (plugin contract 4.3 and 4.4).
//!
//! A [`Config`] that exists fits the ability it was made for. Not here: where settings are kept; that is the player's.

mod schema;

use serde_json::Value;

use crate::{
    actor::{Guest, Session},
    control::CancelToken,
    error::{Error, ErrorKind, Result},
    limits::{CONFIG_BYTES, CallClass},
    manifest::Ability,
    table::ObjectId,
    types::ConfigUpdateMode,
};

/// Settings for one ability: JSON of at most 64 KiB that fits its schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Config(String);

/// What became of an update.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigUpdate {
    /// The running object took it.
    Applied,
    /// The object was made anew; what it kept went over where the plugin offers that.
    Recreated,
}

impl Config {
    /// Checks settings for `ability`.
    ///
    /// # Errors
    /// `invalid_argument`: too long, no JSON, or not what the schema asks for; says where.
    pub(crate) fn check(json: &str, ability: &Ability) -> Result<Self> {
        let invalid = |why: String| {
            Error::new(ErrorKind::InvalidArgument, format!("the settings for `{}` {why}", ability.type_id))
                .help("`stellatune plugin show` tells what a plugin can be set to")
        };
        if json.len() > CONFIG_BYTES {
            return Err(invalid(format!("have {} bytes; at most {CONFIG_BYTES} are taken", json.len())));
        }
        // Both readers refuse what is nested deeper than 128 levels.
        let value: Value = serde_json::from_str(json).map_err(|error| invalid(format!("are no JSON: {error}")))?;
        let schema: Value = serde_json::from_str(ability.config_schema())
            .map_err(|error| invalid(format!("cannot be checked, since the plugin's schema is no JSON: {error}")))?;
        schema::check(&value, &schema).map_err(|why| invalid(format!("do not fit: {why}")))?;
        Ok(Self(json.to_owned()))
    }

    /// Applies the settings to an object that was just made.
    pub(crate) fn apply(
        &self,
        guest: &mut Guest,
        object: ObjectId,
        class: CallClass,
        token: &CancelToken,
    ) -> Result<()> {
        guest.call("apply-config-update-json", class, token, |instance| instance.apply_config(object, &self.0))
    }
}

/// Applies the settings that an object begins with, if there are any; closes it where that fails.
///
/// # Errors
/// What the plugin answered.
pub(crate) fn first(
    guest: &mut Guest,
    object: ObjectId,
    class: CallClass,
    token: &CancelToken,
    config: Option<Config>,
) -> Result<()> {
    let applied = config.map_or(Ok(()), |config| config.apply(guest, object, class, token));
    applied.inspect_err(|_| guest.close(object, class))
}

/// Makes an object as the session's was made, settings aside.
pub(crate) trait Recreate: FnOnce(&mut Guest, &CancelToken) -> Result<ObjectId> + Send + 'static {}

impl<F: FnOnce(&mut Guest, &CancelToken) -> Result<ObjectId> + Send + 'static> Recreate for F {}

/// Gives a session new settings. At most one object is made for it, whatever the plugin plans; where that fails, the
/// session goes on as it was. // G24
///
/// # Errors
/// `unsupported` with the plugin's reason where it rejects them; what the plugin answered.
pub(crate) async fn update(
    session: &mut Session,
    class: CallClass,
    config: Config,
    recreate: impl Recreate,
) -> Result<ConfigUpdate> {
    update_and_settle(session, class, config, recreate, |_, _, _| Ok(())).await
}

/// As [`update`]; an object that was made has its settings and what the one before kept when `settle` has a last look at it.
///
/// # Errors
/// As for `update`, and those of `settle`.
pub(crate) async fn update_and_settle(
    session: &mut Session,
    class: CallClass,
    config: Config,
    recreate: impl Recreate,
    settle: impl FnOnce(&mut Guest, ObjectId, &CancelToken) -> Result<()> + Send + 'static,
) -> Result<ConfigUpdate> {
    let update = move |guest: &mut Guest, object: ObjectId, token: &CancelToken| {
        let plan =
            guest.call("plan-config-update-json", class, token, |instance| instance.plan_config(object, &config.0))?;
        match plan.mode {
            ConfigUpdateMode::HotApply => {
                config.apply(guest, object, class, token)?;
                Ok((object, ConfigUpdate::Applied))
            }
            ConfigUpdateMode::Recreate => {
                let state = exported(guest, object, class, token)?;
                let made = recreate(guest, token)?;
                let ready = config.apply(guest, made, class, token).and_then(|()| match state {
                    Some(state) => imported(guest, made, class, token, &state),
                    None => Ok(()),
                });
                let ready = ready.and_then(|()| settle(guest, made, token));
                if let Err(error) = ready {
                    guest.close(made, class);
                    return Err(error);
                }
                guest.close(object, class);
                Ok((made, ConfigUpdate::Recreated))
            }
            ConfigUpdateMode::Reject => {
                let reason = plan.reason.unwrap_or_else(|| "it gives no reason".to_owned());
                Err(Error::new(ErrorKind::Unsupported, format!("the plugin rejects the settings: {reason}")))
            }
        }
    };
    session.replace(update).await
}

/// What the object kept; nothing where the plugin says no.
fn exported(guest: &mut Guest, object: ObjectId, class: CallClass, token: &CancelToken) -> Result<Option<String>> {
    match guest.call("export-state-json", class, token, |instance| instance.export_state(object)) {
        Err(error) if error.kind() == ErrorKind::PluginError => Ok(None),
        other => other,
    }
}

/// Hands over what the object before it kept; a plugin that says no begins anew.
fn imported(guest: &mut Guest, object: ObjectId, class: CallClass, token: &CancelToken, state: &str) -> Result<()> {
    match guest.call("import-state-json", class, token, |instance| instance.import_state(object, state)) {
        Err(error) if error.kind() == ErrorKind::PluginError => {
            tracing::warn!("the plugin does not take its own state back: {error}");
            Ok(())
        }
        other => other,
    }
}
