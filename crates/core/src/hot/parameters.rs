//! What a module is configured with: numbers, which its component made of the user's configuration.

use std::fmt;

use crate::error::{Error, ErrorKind, Result};

/// Numbers at most: filters of a dozen bands have some sixty.
const MOST: usize = 256;

/// Bytes of a number.
const NUMBER: usize = 8;

/// Numbers for a hot-path module. Of one size, so that they reach the audio thread without memory of their own.
#[derive(Clone, PartialEq, Eq)]
pub struct HotParameters {
    count: u32,
    bytes: [u8; MOST * NUMBER],
}

impl HotParameters {
    /// Bytes that the longest ones take in a module's memory.
    pub(super) const ROOM: usize = 8 + MOST * NUMBER;

    /// Takes numbers.
    ///
    /// # Errors
    /// `invalid_argument` for more than 256, and for what is not finite.
    pub fn new(numbers: &[f64]) -> Result<Self> {
        let refused = |why: String| Err(Error::new(ErrorKind::InvalidArgument, why));
        if numbers.len() > MOST {
            return refused(format!("{} parameters for a hot-path module; {MOST} is all", numbers.len()));
        }
        if let Some(number) = numbers.iter().find(|number| !number.is_finite()) {
            return refused(format!("{number} among the parameters for a hot-path module"));
        }
        let mut bytes = [0; MOST * NUMBER];
        for (place, number) in bytes.as_chunks_mut::<NUMBER>().0.iter_mut().zip(numbers) {
            *place = number.to_le_bytes();
        }
        Ok(Self { count: numbers.len() as u32, bytes })
    }

    /// The parameters in a component's state, as it exports it: its member `hot_path`, a list of numbers. None without one.
    ///
    /// # Errors
    /// `plugin_error` for a state that is no JSON, and for a member that is something else.
    pub fn of_state(state: &str) -> Result<Option<Self>> {
        /// Everything else in it is the plugin's own affair.
        #[derive(serde::Deserialize)]
        struct State {
            hot_path: Option<Vec<f64>>,
        }

        let wrong = |why: &dyn fmt::Display| {
            let text = format!("the plugin's state has no usable parameters for its hot-path module: {why}");
            Error::new(ErrorKind::PluginError, text)
        };
        // A state need not be an object.
        if !state.trim_start().starts_with('{') {
            return Ok(None);
        }
        let state: State = serde_json::from_str(state).map_err(|error| wrong(&error))?;
        state.hot_path.map(|numbers| Self::new(&numbers).map_err(|error| wrong(&error))).transpose()
    }

    /// As the module reads them: a count, nothing, and the numbers (docs/hot-path-core-abi.md).
    pub(super) fn write(&self, room: &mut [u8; Self::ROOM]) {
        let (head, numbers) = room.split_at_mut(8);
        head.copy_from_slice(&u64::from(self.count).to_le_bytes());
        let length = self.count as usize * NUMBER;
        numbers[..length].copy_from_slice(&self.bytes[..length]);
    }
}

impl fmt::Debug for HotParameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HotParameters({} numbers)", self.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_may_have_parameters() {
        let of = HotParameters::of_state;
        assert_eq!(
            of(r#"{"a":[1],"hot_path":[1,-0.5]}"#).expect("good"),
            Some(HotParameters::new(&[1.0, -0.5]).expect("good"))
        );
        for none in ["{}", r#"{"hot_path":null}"#, "7", "[]", r#""hot_path""#] {
            assert_eq!(of(none).expect("there are none"), None, "{none}");
        }
        let many = format!(r#"{{"hot_path":{:?}}}"#, vec![0; 257]);
        for wrong in ["{", r#"{"hot_path":3}"#, r#"{"hot_path":["1"]}"#, r#"{"hot_path":[1e999]}"#, &many] {
            assert_eq!(of(wrong).expect_err(wrong).kind(), ErrorKind::PluginError, "{wrong}");
        }
    }

    #[test]
    fn they_are_written_as_the_abi_says() {
        let mut room = [9; HotParameters::ROOM];
        HotParameters::new(&[1.0]).expect("good").write(&mut room);
        assert_eq!(room[..17], [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f, 9]);
        HotParameters::new(&[f64::NAN]).expect_err("no number");
    }
}
