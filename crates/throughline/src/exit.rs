//! The codes that commands end with.

use std::process::ExitCode;

macro_rules! exits {
    ($($(#[doc = $doc:literal])+ $name:ident = $code:literal,)+) => {
        /// How a command ended, as the number that the shell sees. The numbers stay.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[repr(u8)]
        pub enum Exit {
            $($(#[doc = $doc])+ $name = $code,)+
        }

        impl Exit {
            /// All of them, with what they mean.
            pub const TABLE: &[(Self, &str)] = &[$((Self::$name, concat!($($doc),+)),)+];
        }
    };
}

exits! {
    /// Done.
    Done = 0,
    /// It failed, or what was asked about is not well.
    Failed = 1,
    /// The command line or a setting is wrong.
    Usage = 2,
    /// What was named does not exist.
    NotFound = 3,
    /// A gate holds it back, or the rights do not suffice.
    Refused = 4,
    /// No server answers.
    NotReachable = 5,
    /// A file that was handed in is wrong.
    BadFile = 6,
    /// Another server has the data folder, or the database belongs to another folder.
    Taken = 7,
    /// Ended by Ctrl-C, as shells count it.
    Interrupted = 130,
}

impl Exit {
    /// The number.
    pub const fn code(self) -> u8 {
        self as u8
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}
