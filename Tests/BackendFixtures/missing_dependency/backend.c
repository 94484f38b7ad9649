/* A backend that needs libmissing_dep.so, which the test deletes once this library has been linked. */
#include "../base.h"

extern int acme_connect(void);

FACTORY(create_dependent) {
    return acme_connect() ? &good_instance(host)->table : NULL;
}
