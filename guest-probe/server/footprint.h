#pragma once

namespace katameter::guest {

/// Gives back the memory that starting took and serving does not need: free heap, and the program's own pages, of which
/// those that are needed again are read again; the guest's page cache gives up the program, too. Called when all is
/// ready, and after the first snapshots.
void shed_startup_memory();

}  // namespace katameter::guest
