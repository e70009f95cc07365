//! Map writes, deletes and clears.

super::counts! {
    /// `runtime.mapassign_fast32`.
    map_assign_fast32 => MapAssignFast32;
    /// `runtime.mapassign_fast64` and `_fast64ptr`.
    map_assign_fast64 => MapAssignFast64;
    /// `runtime.mapassign_faststr`.
    map_assign_faststr => MapAssignFaststr;
    /// `runtime.mapassign`.
    map_assign_generic => MapAssignGeneric;
    /// `runtime.mapdelete*`.
    map_delete => MapDelete;
    /// `runtime.mapclear`.
    map_clear => MapClear;
}
