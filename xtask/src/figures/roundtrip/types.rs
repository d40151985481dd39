//! Random types of WIT, and random values of them.

use std::fmt::Write;

/// A value. It is the other engine's, whose only dynamic values these are.
pub(super) use stellatune_plugin_engine_wasmer::testing::Value;

use super::super::random::Random;

/// A type. What has a name in WIT carries a number that makes its name; its fields and cases are named by theirs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Type {
    Bool,
    S8,
    U8,
    S16,
    U16,
    S32,
    U32,
    S64,
    U64,
    F32,
    F64,
    Char,
    String,
    List(Box<Type>),
    Tuple(Vec<Type>),
    Record(usize, Vec<Type>),
    Variant(usize, Vec<Option<Type>>),
    Enum(usize, usize),
    Flags(usize, usize),
    Option(Box<Type>),
    Result(Option<Box<Type>>, Option<Box<Type>>),
}

/// Makes types.
pub(super) struct Types<'a> {
    pub(super) random: &'a mut Random,
    /// Names given so far.
    named: usize,
    /// Types that may still be made, so that a tree ends.
    left: usize,
}

/// Cases of a large variant, enum or set of flags: their number does not fit into a byte, or just does.
const MANY: [usize; 4] = [33, 255, 256, 257];

impl<'a> Types<'a> {
    pub(super) fn new(random: &'a mut Random) -> Self {
        Self { random, named: 0, left: 0 }
    }

    /// The parameters of a function: one of anything, some, or so many that they go through memory.
    pub(super) fn parameters(&mut self) -> Vec<Type> {
        let count = [1, 1, 1, 2, 3, 4, 8, 17][self.random.below(8)];
        (0..count)
            .map(|_| {
                self.left = 24 / count.min(6);
                self.one(4)
            })
            .collect()
    }

    fn one(&mut self, depth: usize) -> Type {
        self.left = self.left.saturating_sub(1);
        let kinds = if depth == 0 || self.left == 0 { 14 } else { 24 };
        match self.random.below(kinds) {
            0 => Type::Bool,
            1 => Type::S8,
            2 => Type::U8,
            3 => Type::S16,
            4 => Type::U16,
            5 => Type::S32,
            6 => Type::U32,
            7 => Type::S64,
            8 => Type::U64,
            9 => Type::F32,
            10 => Type::F64,
            11 => Type::Char,
            12 => Type::String,
            13 => match self.random.below(2) {
                0 => Type::Enum(self.name(), self.count(10, true)),
                _ => Type::Flags(self.name(), self.count(32, false)),
            },
            14 | 15 => Type::List(Box::new(self.one(depth - 1))),
            16 => Type::Tuple(self.fields(depth)),
            17 | 18 => Type::Record(self.name(), self.fields(depth)),
            19 | 20 => {
                let count = self.count(6, true);
                // Of many cases, few have something to carry.
                let most = 8;
                Type::Variant(
                    self.name(),
                    (0..count).map(|case| if case < most { self.maybe(depth) } else { None }).collect(),
                )
            }
            21 => Type::Option(Box::new(self.one(depth - 1))),
            _ => Type::Result(self.maybe(depth).map(Box::new), self.maybe(depth).map(Box::new)),
        }
    }

    fn maybe(&mut self, depth: usize) -> Option<Type> {
        (self.random.below(3) > 0).then(|| self.one(depth - 1))
    }

    fn fields(&mut self, depth: usize) -> Vec<Type> {
        let count = self.count(6, false);
        (0..count).map(|_| self.one(depth - 1)).collect()
    }

    fn count(&mut self, most: usize, large: bool) -> usize {
        if large && self.random.below(20) == 0 {
            MANY[self.random.below(MANY.len())]
        } else {
            1 + self.random.below(most)
        }
    }

    fn name(&mut self) -> usize {
        self.named += 1;
        self.named
    }
}

/// The type as WIT, and into `names` the definitions it needs.
pub(super) fn wit(ty: &Type, names: &mut Vec<String>) -> String {
    let list =
        |types: &[Type], names: &mut Vec<String>| -> Vec<String> { types.iter().map(|ty| wit(ty, names)).collect() };
    let cases = |letter: char, count: usize| (0..count).map(|n| format!("{letter}{n}")).collect::<Vec<_>>().join(", ");
    let simple = match ty {
        Type::Bool => "bool",
        Type::S8 => "s8",
        Type::U8 => "u8",
        Type::S16 => "s16",
        Type::U16 => "u16",
        Type::S32 => "s32",
        Type::U32 => "u32",
        Type::S64 => "s64",
        Type::U64 => "u64",
        Type::F32 => "f32",
        Type::F64 => "f64",
        Type::Char => "char",
        Type::String => "string",
        Type::List(of) => return format!("list<{}>", wit(of, names)),
        Type::Tuple(fields) => return format!("tuple<{}>", list(fields, names).join(", ")),
        Type::Option(of) => return format!("option<{}>", wit(of, names)),
        Type::Result(ok, error) => {
            let mut side = |ty: &Option<Box<Type>>| ty.as_ref().map(|ty| wit(ty, names));
            return match (side(ok), side(error)) {
                (None, None) => "result".to_owned(),
                (Some(ok), None) => format!("result<{ok}>"),
                (ok, Some(error)) => format!("result<{}, {error}>", ok.unwrap_or_else(|| "_".to_owned())),
            };
        }
        Type::Record(name, fields) => {
            let mut text = format!("record t{name} {{ ");
            for (n, field) in list(fields, names).iter().enumerate() {
                let _ = write!(text, "f{n}: {field}, ");
            }
            names.push(text + "}");
            return format!("t{name}");
        }
        Type::Variant(name, cases) => {
            let mut text = format!("variant t{name} {{ ");
            for (n, case) in cases.iter().enumerate() {
                let _ = match case {
                    Some(ty) => write!(text, "c{n}({}), ", wit(ty, names)),
                    None => write!(text, "c{n}, "),
                };
            }
            names.push(text + "}");
            return format!("t{name}");
        }
        Type::Enum(name, count) => {
            names.push(format!("enum t{name} {{ {} }}", cases('c', *count)));
            return format!("t{name}");
        }
        Type::Flags(name, count) => {
            names.push(format!("flags t{name} {{ {} }}", cases('f', *count)));
            return format!("t{name}");
        }
    };
    simple.to_owned()
}

/// A value of a type: often one at the edge of what it can be.
pub(super) fn value(ty: &Type, random: &mut Random) -> Value {
    let mut edge = |edges: &[u64]| {
        let any = random.next();
        if random.below(2) == 0 { any } else { edges[random.below(edges.len())] }
    };
    const INTEGERS: [u64; 10] =
        [0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0x8000_0000, 0x7fff_ffff_ffff_ffff, 0x8000_0000_0000_0000, u64::MAX];
    const SINGLES: [u64; 7] = [0, 0x8000_0000, 0x7f80_0000, 0xff80_0000, 0x7fc0_0000, 0x7fa0_0001, 1];
    const DOUBLES: [u64; 6] =
        [0, 1 << 63, 0x7ff0_0000_0000_0000, 0xfff0_0000_0000_0000, 0x7ff8_0000_0000_0000, 0x7ff4_0000_0000_0001];
    match ty {
        Type::Bool => Value::Bool(edge(&[0]) & 1 == 1),
        Type::S8 => Value::S8(edge(&INTEGERS) as i8),
        Type::U8 => Value::U8(edge(&INTEGERS) as u8),
        Type::S16 => Value::S16(edge(&INTEGERS) as i16),
        Type::U16 => Value::U16(edge(&INTEGERS) as u16),
        Type::S32 => Value::S32(edge(&INTEGERS) as i32),
        Type::U32 => Value::U32(edge(&INTEGERS) as u32),
        Type::S64 => Value::S64(edge(&INTEGERS) as i64),
        Type::U64 => Value::U64(edge(&INTEGERS)),
        Type::F32 => Value::F32(f32::from_bits(edge(&SINGLES) as u32)),
        Type::F64 => Value::F64(f64::from_bits(edge(&DOUBLES))),
        Type::Char => Value::Char(character(random)),
        Type::String => {
            let length = length(random, 300);
            Value::String((0..length).map(|_| character(random)).collect())
        }
        Type::List(of) => {
            let length = length(random, if matches!(**of, Type::U8 | Type::F32) { 3000 } else { 12 });
            Value::List((0..length).map(|_| value(of, random)).collect())
        }
        Type::Tuple(fields) | Type::Record(_, fields) => {
            Value::Fields(fields.iter().map(|field| value(field, random)).collect())
        }
        Type::Variant(_, cases) => {
            let case = random.below(cases.len());
            Value::Case(case, cases[case].as_ref().map(|ty| Box::new(value(ty, random))))
        }
        Type::Enum(_, count) => Value::Case(random.below(*count), None),
        Type::Flags(_, count) => Value::Flags((0..*count).map(|_| random.below(2) == 1).collect()),
        Type::Option(of) => match random.below(3) {
            0 => Value::Case(0, None),
            _ => Value::Case(1, Some(Box::new(value(of, random)))),
        },
        Type::Result(ok, error) => {
            let case = random.below(2);
            let side = if case == 0 { ok } else { error };
            Value::Case(case, side.as_ref().map(|ty| Box::new(value(ty, random))))
        }
    }
}

/// Mostly few, sometimes none, seldom many.
fn length(random: &mut Random, many: usize) -> usize {
    match random.below(8) {
        0 => 0,
        1 => random.below(many),
        _ => 1 + random.below(4),
    }
}

/// A character of any length in any encoding.
fn character(random: &mut Random) -> char {
    const EDGES: [char; 10] =
        ['\0', '\u{7f}', '\u{80}', '\u{ff}', '\u{100}', '\u{7ff}', '\u{d7ff}', '\u{e000}', '\u{ffff}', '\u{10ffff}'];
    let from = [0x80, 0x80, 0x100, 0x800, 0x11_0000][random.below(5)];
    match random.below(8) {
        0 => EDGES[random.below(EDGES.len())],
        _ => char::from_u32(random.below(from) as u32).unwrap_or('\u{1f3b5}'),
    }
}
