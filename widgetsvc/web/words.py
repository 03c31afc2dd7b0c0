"""What the frames' own pages say, in the languages that they know."""

from dataclasses import dataclass

from widgetsvc.permissions import Element


@dataclass(frozen=True, slots=True)
class Words:
    """Sentences of one language; what stands in braces is filled in."""

    titles: dict[Element, str]
    zone: str
    more: str
    later: str
    earliest: str
    none_today: str
    none_in_days: str
    none_later: str
    loading: str
    not_looked_up: str
    needs_script: str
    free: str
    taken: str
    others: str
    in_doubt: str
    again: str
    back: str
    go_on: str


WORDS = {
    "en": Words(
        titles={
            Element.AGENDA: "Agenda",
            Element.AVAILABILITY_RULES: "Bookable hours",
            Element.AVAILABILITY_VIEWER: "Available times",
            Element.CALENDAR_SYNC: "Connected calendars",
            Element.DATE_TIME_PICKER: "Pick a day and time",
            Element.SLOT_PICKER: "Pick a time",
        },
        zone="Time zone: {zone}",
        more="More times on this day",
        later="Later days",
        earliest="Earliest times",
        none_today="No free times today.",
        none_in_days="No free times in the next {days} days.",
        none_later="No later free times.",
        loading="Loading…",
        not_looked_up="The free times could not be looked up. Please reload the page.",
        needs_script="This calendar needs JavaScript. Please switch it on and reload the page.",
        free="This time is free, but nothing is booked yet: write it down and tell whoever sent you here.",
        taken="This time is no longer free",
        others="These times are:",
        in_doubt="It could not be checked whether this time is still free. Please try again in a moment.",
        again="Try again",
        back="Choose another time",
        go_on="Continue",
    ),
    "de": Words(
        titles={
            Element.AGENDA: "Terminübersicht",
            Element.AVAILABILITY_RULES: "Buchbare Zeiten",
            Element.AVAILABILITY_VIEWER: "Verfügbare Zeiten",
            Element.CALENDAR_SYNC: "Verbundene Kalender",
            Element.DATE_TIME_PICKER: "Tag und Uhrzeit wählen",
            Element.SLOT_PICKER: "Uhrzeit wählen",
        },
        zone="Zeitzone: {zone}",
        more="Weitere Zeiten an diesem Tag",
        later="Spätere Tage",
        earliest="Früheste Zeiten",
        none_today="Heute sind keine Zeiten frei.",
        none_in_days="In den nächsten {days} Tagen sind keine Zeiten frei.",
        none_later="Später sind keine Zeiten mehr frei.",
        loading="Wird geladen …",
        not_looked_up="Die freien Zeiten konnten nicht abgefragt werden. Bitte laden Sie die Seite neu.",
        needs_script="Dieser Kalender braucht JavaScript. Bitte schalten Sie es ein und laden Sie die "
        "Seite neu.",
        free="Diese Zeit ist frei, aber noch nichts ist gebucht: Notieren Sie sie, und teilen Sie sie der "
        "Stelle mit, die Sie hierher geschickt hat.",
        taken="Diese Zeit ist nicht mehr frei",
        others="Diese Zeiten sind frei:",
        in_doubt="Ob diese Zeit noch frei ist, ließ sich nicht prüfen. Bitte versuchen Sie es gleich noch "
        "einmal.",
        again="Noch einmal versuchen",
        back="Andere Zeit wählen",
        go_on="Weiter",
    ),
    "fr": Words(
        titles={
            Element.AGENDA: "Agenda",
            Element.AVAILABILITY_RULES: "Horaires réservables",
            Element.AVAILABILITY_VIEWER: "Créneaux disponibles",
            Element.CALENDAR_SYNC: "Calendriers connectés",
            Element.DATE_TIME_PICKER: "Choisir un jour et une heure",
            Element.SLOT_PICKER: "Choisir un créneau",
        },
        zone="Fuseau horaire : {zone}",
        more="Autres créneaux de ce jour",
        later="Jours suivants",
        earliest="Premiers créneaux",
        none_today="Aucun créneau libre aujourd’hui.",
        none_in_days="Aucun créneau libre dans les {days} prochains jours.",
        none_later="Aucun créneau libre plus tard.",
        loading="Chargement…",
        not_looked_up="Les créneaux libres n’ont pas pu être consultés. Veuillez recharger la page.",
        needs_script="Ce calendrier a besoin de JavaScript. Veuillez l’activer et recharger la page.",
        free="Ce créneau est libre, mais rien n’est encore réservé : notez-le et communiquez-le à la "
        "personne qui vous a envoyé ici.",
        taken="Ce créneau n’est plus libre",
        others="Ceux-ci le sont :",
        in_doubt="Impossible de vérifier si ce créneau est encore libre. Veuillez réessayer dans un instant.",
        again="Réessayer",
        back="Choisir un autre créneau",
        go_on="Continuer",
    ),
    "es": Words(
        titles={
            Element.AGENDA: "Agenda",
            Element.AVAILABILITY_RULES: "Horario reservable",
            Element.AVAILABILITY_VIEWER: "Horas disponibles",
            Element.CALENDAR_SYNC: "Calendarios conectados",
            Element.DATE_TIME_PICKER: "Elegir día y hora",
            Element.SLOT_PICKER: "Elegir una hora",
        },
        zone="Zona horaria: {zone}",
        more="Más horas de este día",
        later="Días posteriores",
        earliest="Primeras horas",
        none_today="No hay horas libres hoy.",
        none_in_days="No hay horas libres en los próximos {days} días.",
        none_later="No hay horas libres más adelante.",
        loading="Cargando…",
        not_looked_up="No se han podido consultar las horas libres. Vuelva a cargar la página.",
        needs_script="Este calendario necesita JavaScript. Actívelo y vuelva a cargar la página.",
        free="Esta hora está libre, pero aún no hay nada reservado: anótela y comuníquela a quien le ha "
        "enviado aquí.",
        taken="Esta hora ya no está libre",
        others="Estas sí lo están:",
        in_doubt="No se ha podido comprobar si esta hora sigue libre. Inténtelo de nuevo en un momento.",
        again="Intentar de nuevo",
        back="Elegir otra hora",
        go_on="Continuar",
    ),
    "ja": Words(
        titles={
            Element.AGENDA: "予定表",
            Element.AVAILABILITY_RULES: "予約可能な時間帯",
            Element.AVAILABILITY_VIEWER: "空き時間",
            Element.CALENDAR_SYNC: "接続済みのカレンダー",
            Element.DATE_TIME_PICKER: "日時を選択",
            Element.SLOT_PICKER: "時間を選択",
        },
        zone="タイムゾーン：{zone}",
        more="この日のほかの時間",
        later="以降の日",
        earliest="最も早い時間",
        none_today="本日の空き時間はありません。",
        none_in_days="今後{days}日間に空き時間はありません。",
        none_later="これ以降の空き時間はありません。",
        loading="読み込み中…",
        not_looked_up="空き時間を確認できませんでした。ページを再読み込みしてください。",
        needs_script="このカレンダーにはJavaScriptが必要です。有効にしてからページを再読み込みしてください。",
        free="この時間は空いていますが、まだ予約されていません。時間を控えて、このページを案内した相手にお知らせください。",
        taken="この時間はもう空いていません",
        others="次の時間が空いています：",
        in_doubt="この時間がまだ空いているか確認できませんでした。しばらくしてからもう一度お試しください。",
        again="再試行",
        back="別の時間を選択",
        go_on="次へ",
    ),
    "ar": Words(
        titles={
            Element.AGENDA: "جدول المواعيد",
            Element.AVAILABILITY_RULES: "الساعات القابلة للحجز",
            Element.AVAILABILITY_VIEWER: "الأوقات المتاحة",
            Element.CALENDAR_SYNC: "التقويمات المتصلة",
            Element.DATE_TIME_PICKER: "اختر اليوم والوقت",
            Element.SLOT_PICKER: "اختر وقتًا",
        },
        zone="المنطقة الزمنية: {zone}",
        more="المزيد من الأوقات في هذا اليوم",
        later="الأيام اللاحقة",
        earliest="أقرب الأوقات",
        none_today="لا توجد أوقات متاحة اليوم.",
        none_in_days="لا توجد أوقات متاحة حتى {until}.",
        none_later="لا توجد أوقات متاحة لاحقًا.",
        loading="جارٍ التحميل…",
        not_looked_up="تعذّر الاطلاع على الأوقات المتاحة. يُرجى إعادة تحميل الصفحة.",
        needs_script="يحتاج هذا التقويم إلى JavaScript. يُرجى تفعيله وإعادة تحميل الصفحة.",
        free="هذا الوقت متاح، لكن لم يُحجز شيء بعد: دوّنه وأبلغ به من أرسلك إلى هنا.",
        taken="لم يعد هذا الوقت متاحًا",
        others="هذه الأوقات متاحة:",
        in_doubt="تعذّر التحقق مما إذا كان هذا الوقت لا يزال متاحًا. يُرجى المحاولة بعد قليل.",
        again="إعادة المحاولة",
        back="اختيار وقت آخر",
        go_on="متابعة",
    ),
}
"""By language. `none_in_days` may name the number of `days`, or the last of them, `until`."""
