//! The table of a part's settings.

/// Declares a part's settings in one place: struct, reader, and the rows of docs/settings.md.
///
/// A field is a setting: its doc comment is the meaning in docs/settings.md, then come its path,
/// its form, and its default. Without a default the field is an `Option`.
/// Each rule is a function `fn(&mut Reader, &A, &B)` that refuses fields that do not fit together;
/// it is called if all of them are valid.
///
/// ```text
/// table! {
///     /// The limits of a call.
///     pub(crate) struct Limits {
///         /// Time for a call without a deadline.
///         default_deadline: Duration =
///             "server.default_deadline_seconds" => seconds(1..=59), default "30";
///         /// Longest time for a call.
///         maximum_deadline: Duration =
///             "server.maximum_deadline_seconds" => seconds(1..=59), default "55";
///     }
///     rules { in_order(default_deadline, maximum_deadline); }
/// }
/// ```
macro_rules! table {
    (
        $(#[$attribute:meta])*
        $visibility:vis struct $Name:ident {
            $(
                $(#[doc = $meaning:literal])+
                $field:ident: $type:ty = $path:literal => $form:expr $(, default $default:literal)?;
            )+
        }
        $(rules { $($rule:ident($($argument:ident),+);)+ })?
    ) => {
        $(#[$attribute])*
        #[derive(Clone, Debug)]
        $visibility struct $Name {
            $(
                $(#[doc = $meaning])+
                $visibility $field: $type,
            )+
        }

        impl $Name {
            /// Reads the settings of this table; `None` if one is invalid.
            pub(crate) fn read(reader: &mut $crate::settings::Reader<'_>) -> Option<Self> {
                $(
                    let meaning = concat!($($meaning),+).trim_ascii();
                    let $field: Option<$type> =
                        $crate::settings::table!(@read reader, $path, meaning, &$form $(, $default)?);
                )+
                $($(
                    if let ($(Some($argument),)+) = ($(&$argument,)+) {
                        $rule(reader, $($argument),+);
                    }
                )+)?
                Some(Self { $($field: $field?,)+ })
            }
        }
    };
    (@read $reader:ident, $path:literal, $meaning:ident, $form:expr) => {
        $reader.optional($path, $meaning, $form)
    };
    (@read $reader:ident, $path:literal, $meaning:ident, $form:expr, $default:literal) => {
        $reader.required($path, $meaning, $form, $default)
    };
}

pub(crate) use table;
