/* A library that needs a function that no library has: RTLD_NOW detects it when the library is opened. */
#include "base.h"

extern void acme_function_of_another_version(void);

FACTORY(create_undefined) {
    acme_function_of_another_version();
    return &good_instance(host)->table;
}
