//! A bounded table of what a guest holds handles to.

use crate::error::{Trap, TrapKind};

/// Names an object in one instance's table, on either side of the seam. Small, and reused after the object is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ObjectId(pub u32);

/// Objects by [`ObjectId`], at most as many as it was made for.
#[derive(Debug)]
pub struct Table<T> {
    entries: Vec<Option<T>>,
    free: Vec<u32>,
    most: usize,
}

/// A table holds as much as it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

impl<T> Table<T> {
    /// An empty table for at most `most` objects.
    pub fn new(most: usize) -> Self {
        Self { entries: Vec::new(), free: Vec::new(), most }
    }

    /// Adds an object.
    ///
    /// # Errors
    /// [`Full`]; the object is dropped.
    pub fn push(&mut self, value: T) -> Result<ObjectId, Full> {
        if let Some(index) = self.free.pop() {
            self.entries[index as usize] = Some(value);
            return Ok(ObjectId(index));
        }
        let index = u32::try_from(self.entries.len()).map_err(|_| Full)?;
        if self.entries.len() >= self.most {
            return Err(Full);
        }
        self.entries.push(Some(value));
        Ok(ObjectId(index))
    }

    /// The object of `id`.
    ///
    /// # Errors
    /// An `Abi` trap for an id that names nothing: engines hand out only ids that do.
    pub fn get_mut(&mut self, id: ObjectId) -> Result<&mut T, Trap> {
        self.entries.get_mut(id.0 as usize).and_then(Option::as_mut).ok_or_else(|| nothing(id))
    }

    /// Removes the object of `id`.
    ///
    /// # Errors
    /// As [`get_mut`](Self::get_mut).
    pub fn remove(&mut self, id: ObjectId) -> Result<T, Trap> {
        let value = self.entries.get_mut(id.0 as usize).and_then(Option::take).ok_or_else(|| nothing(id))?;
        self.free.push(id.0);
        Ok(value)
    }

    /// The objects, in no particular order.
    pub fn values(&self) -> impl Iterator<Item = &T> {
        self.entries.iter().flatten()
    }

    /// How many objects there are.
    pub fn len(&self) -> usize {
        self.entries.len() - self.free.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

fn nothing(id: ObjectId) -> Trap {
    Trap::new(TrapKind::Abi, format!("handle {} names nothing", id.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_reused_and_bounded() {
        let mut table = Table::new(2);
        let (a, b) = (table.push('a').unwrap(), table.push('b').unwrap());
        assert_eq!(table.push('c'), Err(Full));
        assert_eq!(table.remove(a), Ok('a'));
        assert!(table.get_mut(a).is_err());
        assert_eq!(table.push('d'), Ok(a));
        assert_eq!((table.get_mut(b).copied(), table.len()), (Ok('b'), 2));
    }
}
