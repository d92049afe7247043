//! Looking for text in columns.

use sea_orm::sea_query::{Expr, ExprTrait, Func, LikeExpr, SimpleExpr};

/// Whether the column contains `text`, in any case.
pub(crate) fn contains(column: Expr, text: &str) -> SimpleExpr {
    let pattern = format!("%{}%", literal(&text.to_lowercase()));
    Func::lower(column).like(LikeExpr::new(pattern).escape('\\'))
}

/// Text that means itself in a pattern.
fn literal(text: &str) -> String {
    text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_")
}
