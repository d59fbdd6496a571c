/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef KATAMETER_OWN_BPF_H
#define KATAMETER_OWN_BPF_H

/*
 * OWN(name): a global function that a header defines for each object that includes it. Global names are those of the
 * whole program that objects are linked to, and each object has to have its own function: it works on static variables,
 * and programs of two objects may run at the same time. KATAMETER_OBJECT is the source's name (CMakeLists.txt).
 */
#define OWN_PASTE(object, name) object##_##name
#define OWN_OF(object, name) OWN_PASTE(object, name)
#define OWN(name) OWN_OF(KATAMETER_OBJECT, name)

#endif
